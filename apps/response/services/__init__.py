"""Orders are issued, receipts taken, silence called by its name: each in one transaction and in the trail."""

from apps.response.aim import preview
from apps.response.services.issuing import OrderRefusedError, issue
from apps.response.services.receiving import Taken, receive, receive_all
from apps.response.services.silence import sweep_silence

__all__ = ["OrderRefusedError", "Taken", "issue", "preview", "receive", "receive_all", "sweep_silence"]
