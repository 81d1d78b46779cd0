"""What would be, from what is measured: other numbers of partitions or members, another retention, more of all.

Pure functions; each says what it assumes. `dashboard/pages/what_if.py` shows them.
"""
