"""What stops a start or a part of the stack, told as one sentence that names the way out."""


class StackError(Exception):
    """The start cannot go on; the text is for the person at the keyboard, never a traceback."""
