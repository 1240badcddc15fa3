"""The papers' test protocols, metrics and reports."""
