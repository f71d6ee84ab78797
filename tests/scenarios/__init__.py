"""Who did it, played with real processes: how an agent's tool call leads to an alert, and how others do."""
