"""What happens when a simulated server starts from its virtual CD: firmware, boot loader, installer, first boot."""
