"""Events, sessions and figures in words: data in, sentences out; who shows them decides where and when."""
