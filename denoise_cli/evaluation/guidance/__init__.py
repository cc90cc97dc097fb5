"""The guidance study: guided networks against the plain one."""
