use super::*;

const METRICS: [Metric; 3] = [Metric::Dot, Metric::Cosine, Metric::Euclidean];

fn vectors(count: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count * dimension).map(|_| random.f32() - 0.5).collect()
}

fn table(count: usize, dimension: usize) -> (EmbeddingTable, Vec<f32>) {
    let numbers = vectors(count, dimension, 3);
    let table = EmbeddingTable::new(dimension).unwrap();
    table.append(&numbers).unwrap();
    (table, numbers)
}

/// All scores, sorted as the documentation says.
fn sorted(metric: Metric, scores: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|a, b| {
        let (a, b) = (scores[*a as usize], scores[*b as usize]);
        a.is_nan().cmp(&b.is_nan()).then_with(|| {
            let ascending = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal);
            if metric == Metric::Euclidean { ascending } else { ascending.reverse() }
        })
    });
    order
}

#[test]
fn rows_come_back_however_they_were_added() {
    let dimension = 300;
    let numbers = vectors(9_000, dimension, 1);
    let table = EmbeddingTable::new(dimension).unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    let mut rest = numbers.as_slice();
    let mut rows = 0;
    while !rest.is_empty() {
        let count = random.usize(0..400).min(rest.len() / dimension);
        let (now, after) = rest.split_at(count * dimension);
        assert_eq!(table.append(now).unwrap(), rows);
        rows += count;
        rest = after;
    }
    assert_eq!(table.count(), 9_000);
    let mut row = vec![0.0; dimension];
    for index in (0..9_000).step_by(7).chain([8_999]) {
        table.copy_row(index, &mut row).unwrap();
        assert_eq!(row, numbers[index * dimension..(index + 1) * dimension]);
    }
    let blocks = &table.read().blocks;
    assert!(blocks.len() < 20, "blocks grow with the table");
    let reserved: usize = blocks.iter().map(|block| block.memory.bytes().len()).sum();
    assert!(reserved <= numbers.len() * NUMBER + LARGEST_BLOCK);
    assert!(blocks.windows(2).all(|pair| pair[0].first + pair[0].count == pair[1].first));
}

#[test]
fn a_large_addition_takes_what_it_needs_and_no_more() {
    let table = EmbeddingTable::new(1000).unwrap();
    table.append(&vectors(1, 1000, 1)).unwrap();
    table.append(&vectors(20_000, 1000, 2)).unwrap();
    let reserved: usize = table.read().blocks.iter().map(|block| block.memory.bytes().len()).sum();
    assert_eq!(reserved, SMALLEST_BLOCK / 4000 * 4000 + (20_001 - SMALLEST_BLOCK / 4000) * 4000);
}

#[test]
fn what_does_not_fit_adds_nothing() {
    let (table, _) = table(3, 4);
    assert!(table.append(&[1.0; 5]).is_err());
    assert!(table.copy_row(3, &mut [0.0; 4]).unwrap_err().message.contains("no row 3"));
    assert!(table.dot(0, &[0.0; 3]).unwrap_err().message.contains("3 numbers"));
    assert!(table.scores(&[0.0; 4], &mut [0.0; 4]).is_err());
    assert_eq!(table.count(), 3);
    assert!(EmbeddingTable::new(0).is_err());
    assert!(EmbeddingTable::new(LONGEST_VECTOR + 1).is_err());
}

#[test]
fn scores_are_dot_products_of_each_row() {
    for (count, dimension) in [(0, 5), (1, 1), (37, 19), (5_000, 300)] {
        let (table, _) = table(count, dimension);
        let query = vectors(1, dimension, 9);
        let mut scores = vec![f32::NAN; count];
        table.scores(&query, &mut scores).unwrap();
        for (index, score) in scores.iter().enumerate() {
            assert_eq!(*score, table.dot(index, &query).unwrap());
        }
    }
}

#[test]
fn the_nearest_are_those_of_a_full_sort() {
    for (count, dimension, many) in [(1, 1, 1), (50, 3, 4), (3_000, 17, 70), (6_000, 300, 2)] {
        let (table, numbers) = table(count, dimension);
        let asked = vectors(many, dimension, 5);
        for metric in METRICS {
            for wanted in [1, 7.min(count), count] {
                let mut indices = vec![u32::MAX; many * wanted];
                let mut scores = vec![f32::NAN; many * wanted];
                table.nearest(metric, &asked, count, &mut indices, &mut scores).unwrap();
                for query in 0..many {
                    let one = &asked[query * dimension..(query + 1) * dimension];
                    let mut all = vec![0.0; count];
                    Queries::new(metric, dimension, one).score(&numbers, &mut all);
                    let here = query * wanted..(query + 1) * wanted;
                    assert_eq!(indices[here.clone()], sorted(metric, &all)[..wanted]);
                    assert!(
                        indices[here.clone()]
                            .iter()
                            .zip(&scores[here])
                            .all(|(index, score)| all[*index as usize] == *score)
                    );
                }
            }
        }
    }
}

#[test]
fn equals_and_what_is_not_a_number_are_in_their_places() {
    let table = EmbeddingTable::new(2).unwrap();
    let row = [[1.0, 0.0], [f32::NAN, 0.0], [0.0, 0.0], [1.0, 0.0]];
    for _ in 0..5_000 {
        table.append(row.as_flattened()).unwrap();
    }
    let count = table.count();
    let (mut indices, mut scores) = (vec![0; count], vec![0.0; count]);
    for metric in METRICS {
        table.nearest(metric, &[1.0, 0.0], count, &mut indices, &mut scores).unwrap();
        let ones = (0..count as u32).filter(|index| index % 4 == 0 || index % 4 == 3);
        let zeros = (0..count as u32).filter(|index| index % 4 == 2);
        let none = (0..count as u32).filter(|index| index % 4 == 1);
        assert_eq!(indices, ones.chain(zeros).chain(none).collect::<Vec<_>>());
        assert!(scores[count - 1].is_nan());
    }
}

#[test]
fn rows_that_come_meanwhile_are_not_seen() {
    let (table, _) = table(10, 2);
    let (mut indices, mut scores) = ([0; 10], [0.0; 10]);
    table.append(&[9.0, 9.0]).unwrap();
    table.nearest(Metric::Dot, &[1.0, 1.0], 10, &mut indices, &mut scores).unwrap();
    assert!(!indices.contains(&10));
    assert!(table.nearest(Metric::Dot, &[1.0, 1.0], 12, &mut indices, &mut scores).is_err());
    assert!(table.nearest(Metric::Dot, &[1.0], 10, &mut indices, &mut scores).is_err());
    table.nearest(Metric::Dot, &[], 10, &mut [], &mut []).unwrap();
}

#[test]
fn threads_add_and_search_at_once() {
    let dimension = 64;
    let table = EmbeddingTable::new(dimension).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3_u8 {
            let table = &table;
            scope.spawn(move || {
                // Each addition is seen as a whole: its rows stand together.
                let rows = vec![f32::from(thread) + 1.0; 100 * dimension];
                for _ in 0..200 {
                    table.append(&rows).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let query = vec![1.0; dimension];
                while table.count() < 60_000 {
                    let count = table.count();
                    assert!(count.is_multiple_of(100));
                    let mut scores = vec![0.0; count];
                    table.scores(&query, &mut scores).unwrap();
                    for hundred in scores.chunks(100) {
                        assert!(hundred.iter().all(|score| *score == hundred[0]));
                    }
                }
            });
        }
    });
    assert_eq!(table.count(), 60_000);
}
