"""From a brief to a chosen sheet: what a designer does with a trained generator."""
