"""What is needed in a component only: documents that the host holds, and the functions
that it calls. Nothing outside of this folder imports it."""
