"""What has to hold while parts die."""
