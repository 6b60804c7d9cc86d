"""What to do about a finding: recommendations with their proof, their benefit and their cost."""
