module dualtrace.test/gotemplate

go 1.22
