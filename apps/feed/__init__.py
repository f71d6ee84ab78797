"""The bell: rows in commit order, and one hub a process that rings browsers and host agents."""
