"""Methods of the benefit study: one table (`table.METHODS`), whose rows stand in the module of their family."""
