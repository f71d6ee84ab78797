"""What each fragment of a page is given: one function a fragment, named as its template."""
