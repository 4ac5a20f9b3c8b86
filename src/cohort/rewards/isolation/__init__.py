"""How reward functions are run: in processes of their own, and what each of them then says."""
