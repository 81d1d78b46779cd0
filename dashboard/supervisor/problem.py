"""What stops `manage.py up`, said in one sentence."""


class Problem(Exception):
    """Raised when Streamlab can't start or go on. The message is a sentence for the person who watches."""
