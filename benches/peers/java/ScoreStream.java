import com.amazon.randomcutforest.RandomCutForest;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.lang.management.ManagementFactory;

/**
 * Scores a stream of doubles with AWS's random cut forest, each point before it is learnt, and says
 * how long that took in processor time of this thread, once warm, and how many bytes a model takes
 * (mean of four).
 * Arguments: points (big-endian doubles), scores to write, trees, shingle, sample size, decay, seed, runs.
 */
public class ScoreStream {
    static RandomCutForest forest(String[] a, long seed) {
        int shingle = Integer.parseInt(a[3]);
        return RandomCutForest.builder().dimensions(shingle).shingleSize(shingle).internalShinglingEnabled(true)
                .numberOfTrees(Integer.parseInt(a[2])).sampleSize(Integer.parseInt(a[4]))
                .timeDecay(Double.parseDouble(a[5])).initialAcceptFraction(1.0).boundingBoxCacheFraction(1.0)
                .parallelExecutionEnabled(false).randomSeed(seed).build();
    }

    static long used() throws InterruptedException {
        for (int i = 0; i < 4; i++) {
            System.gc();
            Thread.sleep(20);
        }
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    /** One run. A method of its own: nothing of its forest is left on the stack. */
    static double time(String[] a, double[] values, double[] scores, long seed) {
        RandomCutForest forest = forest(a, seed);
        var threads = ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        for (int i = 0; i < values.length; i++) {
            double[] point = { values[i] };
            scores[i] = forest.getAnomalyScore(point);
            forest.update(point);
        }
        return (threads.getCurrentThreadCpuTime() - start) / 1e9;
    }

    public static void main(String[] a) throws Exception {
        double[] values = new double[(int) (new java.io.File(a[0]).length() / 8)];
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(a[0])))) {
            for (int i = 0; i < values.length; i++) {
                values[i] = in.readDouble();
            }
        }
        double[] scores = new double[values.length];
        long seed = Long.parseLong(a[6]);
        // The first runs let the compiler of the virtual machine settle; the last is counted.
        int runs = Integer.parseInt(a[7]);
        double seconds = 0;
        for (int run = 0; run < runs; run++) {
            seconds = time(a, values, scores, seed);
        }
        // Everything is loaded and compiled by now: what the heap grows by are the models.
        // The first look at the heap finds megabytes that later ones do not: it does not count.
        used();
        long before = used();
        RandomCutForest[] kept = new RandomCutForest[4];
        for (int model = 0; model < kept.length; model++) {
            kept[model] = forest(a, seed + model);
            for (double value : values) {
                kept[model].update(new double[] { value });
            }
        }
        long bytes = (used() - before) / kept.length;
        if (kept[0].getTotalUpdates() == 0) {
            throw new IllegalStateException("nothing was learnt");
        }
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(a[1])))) {
            for (double score : scores) {
                out.writeDouble(score);
            }
        }
        System.out.println("{\"points_per_s\":" + values.length / seconds + ",\"bytes\":" + bytes + "}");
    }
}
