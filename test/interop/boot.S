/* SPDX-License-Identifier: BSD-3-Clause
   The first sector of a disk that vm.test.ts boots from. It reads LBA 1000 by the BIOS, prints the
   text that it finds there on the first serial port, and writes the sector to LBA 2001, which is no
   multiple of the disk's preferred block. Then it ends the virtual machine by isa-debug-exit: the
   exit status of QEMU is 33 if all went well, else 35.  */
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	sti
	cld
	movb %dl, drive

	movb $0x42, %ah
	call disk
	movw $0x8000, %si
	call print

	movl $2001, lba
	movb $0x43, %ah
	call disk
	movw $written, %si
	call print

	movb $16, %al
	outb %al, $0xf4
	jmp halt

/* INT 13h with the function in AH and the packet below; does not return if it fails.  */
disk:
	xorb %al, %al
	movb drive, %dl
	movw $packet, %si
	int $0x13
	jc failed
	ret
failed:
	movw $error, %si
	call print
	movb $17, %al
	outb %al, $0xf4
halt:
	hlt
	jmp halt

/* The text at SI, up to a zero, as soon as the port takes each byte.  */
print:
	lodsb
	testb %al, %al
	jz 2f
	movb %al, %bl
	movw $0x3fd, %dx
1:	inb %dx, %al
	testb $0x20, %al
	jz 1b
	movw $0x3f8, %dx
	movb %bl, %al
	outb %al, %dx
	jmp print
2:	ret

drive:	.byte 0
written: .asciz "written\n"
error:	.asciz "disk error\n"
	.balign 4
packet:	.byte 16, 0
	.word 1
	.word 0x8000, 0
lba:	.long 1000, 0

	.org 510
	.word 0xaa55
