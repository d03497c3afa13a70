"""The checkers, one module per guarantee."""
