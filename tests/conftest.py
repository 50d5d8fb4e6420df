# SPDX-License-Identifier: GPL-2.0-or-later
"""Hypothesis for all tests: they judge what the code does, not how fast a shared machine makes and runs examples."""

from hypothesis import HealthCheck, settings

settings.register_profile("ntbtrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ntbtrace")
