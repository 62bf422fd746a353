"""What happens around a run: the script is asked, started, followed and told of. Imports the other rooms."""
