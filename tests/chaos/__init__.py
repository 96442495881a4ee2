"""Chaos: months and models together under faults of all kinds, and the invariants that hold afterwards."""
