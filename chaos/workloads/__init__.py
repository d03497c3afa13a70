"""What the tasks do, and what they must have done."""
