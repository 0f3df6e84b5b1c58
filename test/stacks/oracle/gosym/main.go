// Command gosym reads addresses of another program with debug/gosym: gosym FILE < ADDRESSES prints function, file and line of each.
package main

import (
	"bufio"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"strconv"
)

func main() {
	file, err := elf.Open(os.Args[1])
	check(err)
	section := file.Section(".gopclntab")
	if section == nil {
		section = file.Section(".data.rel.ro.gopclntab")
	}
	data, err := section.Data()
	check(err)
	symbols, err := file.Symbols()
	check(err)
	var text uint64
	for _, symbol := range symbols {
		if symbol.Name == "runtime.text" {
			text = symbol.Value
		}
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	check(err)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		pc, err := strconv.ParseUint(in.Text(), 16, 64)
		check(err)
		path, line, function := table.PCToLine(pc)
		fmt.Fprintf(out, "%s\t%s\t%d\n", function.Name, path, line)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
