"""What the stored observations say: by customer, by route, vehicle, driver, site and area, and by season."""
