"""The watch's rules: what counts as worse, said by pure functions of counted windows, and the states an alert goes through."""
