"""Methods of the benefit study: one table (`table.METHODS`), whose rows are in the module of their family."""
