"""Networks and classical methods x settings x noises: scores, tables, charts."""
