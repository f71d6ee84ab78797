"""Argument lists read as the programs themselves read them."""

from apps.detection.argv.getopt import Options, getopt, single_dash
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import program_name

__all__ = ["Invocation", "Options", "getopt", "program_name", "single_dash"]
