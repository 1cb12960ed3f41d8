"""What people want and how they judge it: questionnaires, words, elements, review."""
