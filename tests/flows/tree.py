"""A run that is a tree: each process starts the next, every second one in a session of its own.

Run as a program: `tree.py 7` is eight processes.
"""

import subprocess
import sys
import time

left = int(sys.argv[1])
if left:
    subprocess.Popen([sys.executable, __file__, str(left - 1)], start_new_session=left % 2 == 0)
time.sleep(600)
