# SPDX-License-Identifier: GPL-2.0-or-later
"""Colours, by what a piece of text is: on the way in and on the way out."""

from prompt_toolkit.styles import Style

STYLE = Style.from_dict(
    {
        "command": "ansigreen bold",
        "register": "ansicyan",
        "field": "ansicyan",
        "number": "ansiyellow",
        "keyword": "ansimagenta",
        "operator": "ansimagenta",
        "status": "ansired",
        "cause": "ansiblue",
        "changed": "ansired bold",
        "unknown": "underline",
        "error": "ansired",
        "prompt": "bold",
        "bottom-toolbar": "reverse",
    }
)
