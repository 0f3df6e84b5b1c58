// Command self says what Go's runtime knows of addresses in this very program.
//
//	self ADDRESS         reads hexadecimal addresses from stdin, as the program was linked, and prints function, file and line of each.
//	                     ADDRESS is main.Anchor's in the file.
//	self ADDRESS chain   prints a return address within inlined calls, and the functions it lies in, innermost first.
package main

import (
	"bufio"
	"os"
	"reflect"
	"runtime"
	"strconv"
)

//go:noinline
func Anchor() {}

func main() {
	linked, err := strconv.ParseUint(os.Args[1], 16, 64)
	if err != nil {
		panic(err)
	}
	slide := reflect.ValueOf(Anchor).Pointer() - uintptr(linked)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(os.Args) > 2 {
		outermost(out, slide)
		return
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		pc, err := strconv.ParseUint(in.Text(), 16, 64)
		if err != nil {
			panic(err)
		}
		// CallersFrames takes return addresses.
		frame, _ := runtime.CallersFrames([]uintptr{uintptr(pc) + slide + 1}).Next()
		out.WriteString(frame.Function + "\t" + frame.File + "\t" + strconv.Itoa(frame.Line) + "\n")
	}
}

//go:noinline
func outermost(out *bufio.Writer, slide uintptr) {
	middle(out, slide)
}

func middle(out *bufio.Writer, slide uintptr) {
	inner(out, slide)
}

func inner(out *bufio.Writer, slide uintptr) {
	report(out, slide)
}

//go:noinline
func report(out *bufio.Writer, slide uintptr) {
	pcs := make([]uintptr, 16)
	pcs = pcs[:runtime.Callers(2, pcs)]
	out.WriteString(strconv.FormatUint(uint64(pcs[0]-slide), 16) + "\n")
	for frames, more := runtime.CallersFrames(pcs), true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		out.WriteString(frame.Function + "\t" + frame.File + "\t" + strconv.Itoa(frame.Line) + "\n")
		if frame.Function == "main.outermost" {
			break
		}
	}
}
