# SPDX-License-Identifier: Apache-2.0
"""The list of kinds of attack. A kind is a generator (see `engine.py`) with the statuses that its
answers may have, and a weight: how often it comes beside the others. Heavy ones come rarely."""

import kinds_bodies
import kinds_changes
import kinds_connections
import kinds_framing


def all_kinds():
    """Every kind, in a fixed order."""
    modules = (kinds_connections, kinds_framing, kinds_bodies, kinds_changes)
    return [kind for module in modules for kind in module.KINDS]
