"""One file per sensor: each sees one kind of thing and says plainly what it can miss."""
