#!/usr/bin/perl
# words.pl OUTPUT FILE: count words read from a child's pipe in a hash and by a closure until FILE exists; a second
# child sorts the counts. The last line says whether both counts agree.
use strict;
use warnings;
$| = 1;
my ($output, $stop) = @ARGV;

my $closure = do { my $calls = 0; sub { return ++$calls } };
my $pid = open(my $words, '-|') // die "fork: $!";
if ($pid == 0) {
	my $n = 0;
	until (-e $stop) {
		print "word", $n++ % 7, "\n";
		select(undef, undef, undef, 0.01);
	}
	exit 0;
}
open(my $out, '>>', $output) or die "$output: $!";
$out->autoflush(1);
my (%count, $lines);
while (my $word = <$words>) {
	chomp $word;
	$count{$word}++;
	$lines = $closure->();
	print $out "$lines\n";
}
close($words) or die "the child ended with $?";
my $sum = 0;
$sum += $_ for values %count;
open(my $sorter, '|-', "sort -r >> \Q$output\E") or die "sort: $!";
print $sorter "$_ $count{$_}\n" for keys %count;
close($sorter) or die "sort ended with $?";
print $out $sum == $lines && keys(%count) <= 7 ? "good\n" : "bad\n";
