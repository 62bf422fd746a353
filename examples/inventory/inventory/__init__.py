"""Keep products in stock and take orders for them."""
