"""What guidance is worth: guided networks against the plain one."""
