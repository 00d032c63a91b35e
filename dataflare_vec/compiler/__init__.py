"""From a function to machine code: specialised for columns' types, kept on disk, anew when edited."""
