"""One module a page. Views read the request, call a service or a panel, and pick the template."""
