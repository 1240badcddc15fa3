"""One file per tab: callbacks first, layout last; no arithmetic."""
