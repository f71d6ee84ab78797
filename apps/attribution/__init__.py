"""Which tool call an alert belongs to, and what that rests on."""
