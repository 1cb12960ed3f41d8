"""What of the paper holds: its claims decided by code, and every experiment of the package beside its sections."""
