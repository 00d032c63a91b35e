"""Mathematical functions as branch-free LLVM code, which vectorises in a kernel's loop."""
