module dualtrace.test/endless

go 1.22
