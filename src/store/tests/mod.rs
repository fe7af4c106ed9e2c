mod overload;
