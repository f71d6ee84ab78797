"""What the browser does, a script can do: the same services, the same table of rights, bearer tokens only."""
