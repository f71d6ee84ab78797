"""One file per way of stopping a run; each ends in proof or says that there is none."""
