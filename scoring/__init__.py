"""The top floor: opinions on what the log holds, the golden cases they lead to, and the gate they guard."""
