"""The fabric plan on the controller: gathered from the inventory, shown as a table and as a drawing."""
